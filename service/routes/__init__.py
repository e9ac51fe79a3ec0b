"""The HTTP routes, a module for each thing that is asked. They are thin: they read, ask the engine, and answer."""
