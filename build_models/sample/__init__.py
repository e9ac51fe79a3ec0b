"""The bundled sample: labelled sentences in ten languages, generated from the project's own patterns and name lists."""
