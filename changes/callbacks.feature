Programs are told by HTTP what became of their messages and what phones answered: signed, in order, for days; dead events can be listed and told again, and who cannot be reached fetches them.
