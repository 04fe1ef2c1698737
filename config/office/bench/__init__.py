"""Measuring the product beside a yardstick: `manage.py bench CASE`, on a throw-away server and never on real data.

Absolute rates say more about a machine's mood than about code. So each case alternates with `pgbench` (TPC-B, prepared)
on the same server in the same run, and what is reported are ratios and CPU per operation (docs/performance.md).
"""
