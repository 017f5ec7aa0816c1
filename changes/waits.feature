smsd explain says why a message waits: which gateways could carry it, and what each of them is waiting for; smsd status shows gateways that were asked too fast.
