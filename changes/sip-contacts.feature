A phone that registers when its address has `max_contacts` already takes the place of one that is gone, or registered longest ago; it was refused before.
