"""REST over the same functions as the command line: pause, resume, state of jobs."""
