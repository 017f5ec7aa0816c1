Rules cost far less of the speed of accepting: of most messages a first look at number, sender and text says that none can match, before anything is made for them.
