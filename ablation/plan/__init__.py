"""Plans: what is asked, and the arms and trials that it comes to."""
