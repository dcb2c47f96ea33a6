"""Table 2: what a level costs and how fast it is, in the runtimes that a device may have.

measuring.py  writes every level in every format and times them in turn
memory.py     peak memory of a process that runs one file and nothing else
tables.py     the figures as Markdown and as a picture
"""
