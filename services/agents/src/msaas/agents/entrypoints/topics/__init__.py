"""One module for each topic that is consumed in batches."""
