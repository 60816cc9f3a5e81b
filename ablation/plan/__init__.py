"""Plans of studies, and the arms and trials that result from them."""
