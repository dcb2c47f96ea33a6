"""Comparison of the methods of a scenario over finished runs: the paper's tables and figures.

`dvn_tf.comparison.report.write_report` reads the runs below a folder and writes the report;
nothing is trained, and no network is loaded.
"""
