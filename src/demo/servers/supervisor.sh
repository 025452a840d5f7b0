# Keeps one database server for the process that holds the other end of standard input.
#
#   sh supervisor.sh SIGNAL SIGNAL_AT_END BOUND_SECONDS THROW_AWAY FOLDER AROUND RUNTIME SERVER [FLAG…]
#
# Reads one order a line: start, stop (orderly, with SIGNAL), kill (at once). Answers one line each.
# End of file means that the holder is gone, however it went: the server is ended with
# SIGNAL_AT_END, and FOLDER goes too where THROW_AWAY is "yes". AROUND, if not empty, goes with the last
# server's folder in it. RUNTIME, if not empty, always goes.
at_stop=$1 at_end=$2 bound=$3 throw_away=$4 folder=$5 around=$6 runtime=$7
shift 7
trap '' HUP INT TERM PIPE

# The server inherits the lock: whoever comes next waits until it has really ended.
exec 9>"$folder/lock"
flock -w 20 9 || { echo busy; exit 1; }
echo ready

server=
end() { # SIGNAL
  [ -n "$server" ] || return 0
  kill -s "$1" "$server" 2>/dev/null
  (
    left=$((bound * 10))
    while [ "$left" -gt 0 ] && kill -0 "$server" 2>/dev/null; do sleep 0.1; left=$((left - 1)); done
    kill -s KILL "$server" 2>/dev/null
  ) 9>&- &
  watchdog=$!
  wait "$server"
  kill -s KILL "$watchdog" 2>/dev/null
  # PostgreSQL's other processes follow the first one a moment later: only then is it over.
  flock -w 20 "$folder/running" true
  server=
}

while read -r order; do
  case $order in
    start)
      # All processes of the server hold this lock, for as long as they live.
      (flock 8; exec "$@") 8>"$folder/running" </dev/null >>"$folder/log" 2>&1 &
      server=$!
      echo "$server"
      ;;
    stop) end "$at_stop"; echo stopped ;;
    kill) end KILL; echo stopped ;;
  esac
done

end "$at_end"
if [ "$throw_away" = yes ]; then
  # Data that is just being made may grow while it is removed.
  left=50
  until rm -rf "$folder" 2>/dev/null || [ "$left" -eq 0 ]; do sleep 0.1; left=$((left - 1)); done
fi
# Other things lie beside the servers' folders; another server, known by its lock, keeps it all.
if [ -n "$around" ] && ! ls "$around"/*/lock >/dev/null 2>&1; then rm -rf "$around"; fi
if [ -n "$runtime" ]; then rm -rf "$runtime"; fi
