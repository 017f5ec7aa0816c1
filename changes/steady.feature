A clock that is set while smsd runs stops no timer: time limits and rounds are measured by a steady clock.
