"""Recipes of other toolkits: a YAML file that says which commands train and transcribe, and what each part changes in them."""
