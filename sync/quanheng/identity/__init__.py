"""Keys, encryption at rest, and the index by which a person is found without showing who it is."""
