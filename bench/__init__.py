"""What `make bench` runs: a real server under load, and ratios within one run.

It prints numbers and judges nothing: no test ever fails because a machine was busy.
"""
