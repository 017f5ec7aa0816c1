An answer by mail to an SMS leaves through the modem that the phone wrote to.
