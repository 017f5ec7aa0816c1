``server.time_zone: Europe/Rome`` says in which zone months, days and times of day are, whatever the machine's clock shows.
