# Runs Jaeger ($0, configured by $1), which does not know --exit-with-parent: it is killed when standard input ends.
exec 3<&0
"$0" --config "$1" </dev/null 3<&- &
jaeger=$!
(cat <&3 >/dev/null 2>&1; kill -KILL $jaeger 2>/dev/null) &
watcher=$!
trap 'kill -TERM $jaeger' TERM
# A signal ends `wait` before Jaeger has ended.
while :; do
    wait $jaeger
    status=$?
    kill -0 $jaeger 2>/dev/null || break
done
# Before its number is another's.
kill $watcher
exit $status
