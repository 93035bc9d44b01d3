"""Benchmark: nine workloads over HTTP, each compared with hand-written SQL that does the same, as the limit."""
