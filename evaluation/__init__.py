"""Heart -> numbers."""

from cohort.cores import let_threads_sleep

let_threads_sleep()  # before a module of this room imports torch
