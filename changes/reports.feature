Delivery reports find their message whenever they come and however the network writes its id; smsd explain shows every one, part by part (docs/reports.rst).
