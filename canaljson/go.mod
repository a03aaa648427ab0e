module helfy/canaljson

go 1.26
