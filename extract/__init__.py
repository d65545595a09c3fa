"""From a Listing to Observations: one spaCy pipeline of small components."""
