# Runs Jaeger ($0, configured by $1), which does not know --exit-with-parent: it is killed when standard input ends.
exec 3<&0
# Not lost, should it come before there is somebody to pass it on to.
asked=
trap 'asked=1' TERM
"$0" --config "$1" </dev/null 3<&- &
jaeger=$!
(cat <&3 >/dev/null 2>&1; kill -KILL $jaeger 2>/dev/null) &
watcher=$!
trap 'kill -TERM $jaeger 2>/dev/null' TERM
# A child that has only just been forked loses a TERM; it has no trace yet.
[ -z "$asked" ] || kill -KILL $jaeger 2>/dev/null
# A signal ends `wait` before Jaeger has ended.
while :; do
    wait $jaeger
    status=$?
    kill -0 $jaeger 2>/dev/null || break
done
# Before its number is another's. It is gone where it has killed Jaeger.
kill $watcher 2>/dev/null
exit $status
