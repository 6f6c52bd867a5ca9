"""The front door: reads, authenticates, keeps, commits, answers. It decides nothing else."""
