"""Comparison of the methods of a scenario over finished runs: the paper's tables and figures.

`runs` reads finished runs into tidy tables, `comparison` checks that they can be compared, and
`report` writes everything that is made of them. No network is trained or loaded.
"""
