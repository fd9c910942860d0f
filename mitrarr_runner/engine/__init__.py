"""What carries a plan out: state of one instant, supervisor, worker, judging, and the reports."""
