#!/bin/sh
# Start the broker when its files are there, and let it read them again when `how` says so: `reload` is a signal,
# `restart` a restart of half a second, for where a signal would not be safe.
files=/mosquitto/access
until [ -e "$files/how" ]; do sleep 1; done
trap 'kill -TERM $broker' TERM INT
seen=$(cat "$files/how")
while :; do
    mosquitto -c /forewarn/mosquitto.conf &
    broker=$!
    again=
    while [ -z "$again" ] && kill -0 $broker 2>/dev/null; do
        sleep 1
        now=$(cat "$files/how" 2>/dev/null || echo "$seen")
        [ "$now" = "$seen" ] && continue
        seen=$now
        case $now in
        restart*) again=1; kill -TERM $broker ;;
        *) kill -HUP $broker ;;
        esac
    done
    wait $broker
    code=$?
    [ -n "$again" ] || exit $code
done
