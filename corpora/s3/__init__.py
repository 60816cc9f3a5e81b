"""Upload prepared corpora to S3 and download them."""
