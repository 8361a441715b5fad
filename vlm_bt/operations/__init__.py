"""What whoever runs robots looks at while they work: figures for Prometheus and logs that programs read."""
