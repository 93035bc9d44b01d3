"""Benchmark: workloads over HTTP, most compared with hand-written SQL that does the same, as the limit; and idle connections."""
