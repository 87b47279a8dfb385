"""What users had before the rooms were renamed, and that it still works.

Everything here goes through the command line and ``import turnkeeper``, so it runs with the code before and after.
"""
