"""The checks of the course's exercises, one module for each notebook: they say in words what is wrong.

A notebook imports its own: from minicm.course.nb01 import check_mix.
"""
