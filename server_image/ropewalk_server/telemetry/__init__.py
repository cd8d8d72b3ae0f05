"""Telemetry: buckets of counts, closed windows, receipts, stage timing, Prometheus metrics."""
