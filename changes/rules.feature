Rules are written in the configuration (outgoing, incoming) or in XML files, which smsd rules exports and imports; every mistake is shown with its line.
