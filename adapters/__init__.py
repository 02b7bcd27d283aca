"""What touches the world: databases, files, clocks, and the library's interfaces."""
