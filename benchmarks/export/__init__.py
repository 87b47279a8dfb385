"""What an export costs beside a bare loop that makes the same requests and the same PUTs and nothing else."""
