"""A prepared corpus as files for other toolkits: sound, video, texts, and the noisy sound of every test condition."""
