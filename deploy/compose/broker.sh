#!/bin/sh
# Start the broker when its password file is there, and let it read the file again whenever it changes.
set -e
files=/mosquitto/access/passwords
until [ -e "$files" ]; do sleep 1; done
mosquitto -c /forewarn/mosquitto.conf &
broker=$!
trap 'kill -TERM $broker' TERM INT
seen=$(md5sum "$files")
while kill -0 $broker 2>/dev/null; do
    sleep 1
    now=$(md5sum "$files")
    if [ "$now" != "$seen" ]; then
        seen=$now
        kill -HUP $broker
    fi
done
wait $broker
