"""One module for each technique; each has ``build(context)``, which leaves an artefact and returns its manifest."""
