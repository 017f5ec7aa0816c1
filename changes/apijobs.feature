The API takes lists from a file: POST /api/v1/jobs checks one, and it is started, watched, paused and cancelled there; the Python clients do so too.
