function __iocp_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __iocp_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __iocp_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __iocp_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __iocp_parse_tokens -S
    set -l unparsed_tokens (__iocp_tokens -pc)
    switch $unparsed_tokens[1]
    case 'iocp'
        __iocp_parse_subcommand 0 'version' 'h/help'
        switch $unparsed_tokens[1]
        case 'serve'
            __iocp_parse_subcommand 0 'host=' 'port=' 'unix=' 'workers=' 'cpus=' 'connections=' 'driver=' 'placement=' 'handler=' 'balance' 'spend=' 'async' 'fan-out=' 'publish-port=' 'spin=' 'batch=' 'receive-buffer=' 'user=' 'lockdown' 'metrics=' 'admin=' 'tls-certificate=' 'tls-key=' 'tls-client-ca=' 'version' 'h/help'
        case 'stress'
            __iocp_parse_subcommand 0 'host=' 'port=' 'unix=' 'connections=' 'active=' 'size=' 'depth=' 'rate=' 'churn' 'fan-out' 'duration=' 'by-turns' 'server-pid=' 'workers=' 'connect-timeout=' 'cpus=' 'json' 'tls' 'tls-ca=' 'tls-insecure' 'version' 'h/help'
        case 'hold'
            __iocp_parse_subcommand 0 'host=' 'port=' 'publish-port=' 'connections=' 'active=' 'rate=' 'reconnects=' 'return-window=' 'size=' 'rest=' 'beat=' 'connect-timeout=' 'source-ports' 'no-source-ports' 'server-pid=' 'json' 'version' 'h/help'
        case 'stats'
            __iocp_parse_subcommand 0 'pid=' 'json' 'prometheus' 'interval=' 'count=' 'fields' 'version' 'h/help'
        case 'top'
            __iocp_parse_subcommand 0 'pid=' 'interval=' 'count=' 'version' 'h/help'
        case 'connections'
            __iocp_parse_subcommand 0 'socket=' 'peer=' 'id=' 'order=' 'limit=' 'interval=' 'kill' 'json' 'version' 'h/help'
        case 'capture'
            __iocp_parse_subcommand 0 'socket=' 'peer=' 'id=' 'output=' 'force' 'connections=' 'seconds=' 'bytes=' 'rate=' 'snap=' 'version' 'h/help'
        case 'doctor'
            __iocp_parse_subcommand 0 'connections=' 'json' 'version' 'h/help'
        case 'help'
            __iocp_parse_subcommand -r 1 'version'
        end
    end
end

function __iocp_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __iocp_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __iocp_complete_directories
    set -l token (commandline -t)
    string match -- '*/' $token
    set -l subdirs $token*/
    printf %s\n $subdirs
end

function __iocp_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__iocp_tokens -p)
    if test -z "$(__iocp_tokens -t)"
        set -l index (count (__iocp_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'iocp' -f
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'serve' -d 'Serve connections until SIGINT or SIGTERM.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'stress' -d 'Hold connections to a server and measure it.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'hold' -d 'Hold very many connections to a server, and account for each of them.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'stats' -d 'Show the counters of a running port, worker by worker.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'top' -d 'Watch the workers of a running port on the full screen.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'connections' -d 'List the connections of a running server, or end some.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'capture' -d 'Write down what is said on connections, for Wireshark.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'doctor' -d 'Tell whether this machine is fit to run a server, and what to change.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_positional "iocp" -eq 1' -fa 'help' -d 'Show subcommand help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" host' -l 'host' -d 'Address or name to listen on.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" port' -l 'port' -d 'TCP port, 0 to 65535; 0 takes a free one.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" unix' -l 'unix' -d 'Listen on a Unix socket instead: a path, or @NAME for an abstract name.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" workers' -l 'workers' -d 'Worker threads, 1 to 1024. (default: one per CPU, at most what a cgroup\'s quota pays for)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" cpus' -l 'cpus' -d 'CPUs that workers are bound to: automatic (one each, if there are as many), every-cpu, cores, unbound, or a list as 0,2,8-11.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" connections' -l 'connections' -d 'Connections to hold, 1 to 10000000: as many workers as they need, and tables for all. (default: what a worker for each CPU holds)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" driver' -l 'driver' -d 'What moves the bytes: auto is uring where the kernel allows it, otherwise epoll.' -rfka 'auto uring epoll'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" placement' -l 'placement' -d 'Which worker has a client: the kernel\'s hash, the CPU of its packets, or the one with the fewest.' -rfka 'kernel-hash incoming-cpu least-loaded'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" handler' -l 'handler' -d 'What is done with received bytes.' -rfka 'echo discard'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" balance' -l 'balance' -d 'Move connections of a worker that has no time left to one that has some.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" spend' -l 'spend' -d 'Microseconds of CPU that each receive takes beside its echo, 0 to 100000: to see what --balance does.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" async' -l 'async' -d 'Serve each connection by an async task of its own, on its worker\'s thread.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" fan-out' -l 'fan-out' -d 'Bytes of a frame, 1 to 8388608 (8 MiB): sends each that is received to all other connections.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" publish-port' -l 'publish-port' -d 'With --fan-out: listen on this port, too, 0 to 65535. Only what comes there is sent to all; connections of --port are echoed.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" spin' -l 'spin' -d 'Microseconds that a busy worker looks for more before it sleeps, 0 to 10000.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" batch' -l 'batch' -d 'Completions that a worker takes at a time, at most, 16 to 65536.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" receive-buffer' -l 'receive-buffer' -d 'Bytes of a receive buffer, 4096 to 1048576 (1 MiB), a power of two.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" user' -l 'user' -d 'Become this user once it listens and all memory is registered; takes root. (default: stay)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" lockdown' -l 'lockdown' -d 'Let each ring do nothing but what this program needs (uring).'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" metrics' -l 'metrics' -d 'Answer GET /metrics for Prometheus by HTTP at HOST:PORT, on a thread of its own; port 0 takes a free one.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" admin' -l 'admin' -d 'Open an admin socket for iocp connections and iocp capture: a path, or @NAME for an abstract name. Only this user and root are served; they can read all that is said.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" tls-certificate' -l 'tls-certificate' -d 'Serve TLS: a PEM file with the certificate and those that vouch for it.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" tls-key' -l 'tls-key' -d 'The certificate\'s key, a PEM file that is not encrypted.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" tls-client-ca' -l 'tls-client-ca' -d 'Clients show a certificate that one in this PEM file has signed.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp serve" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" host' -l 'host' -d 'Address or name of the server.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" port' -l 'port' -d 'TCP port of the server, 1 to 65535.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" unix' -l 'unix' -d 'Unix socket of the server instead: a path, or @NAME for an abstract name.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" connections' -l 'connections' -d 'Connections to hold, 1 to 1000000.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" active' -l 'active' -d 'How many of them are kept busy, from 0. (default: all)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" size' -l 'size' -d 'Bytes of a message, 1 to 8388608 (8 MiB).' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" depth' -l 'depth' -d 'Messages each active connection keeps outstanding, 1 to 1024.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" rate' -l 'rate' -d 'Messages per second over all active connections, 1 to 10000000: an open loop.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" churn' -l 'churn' -d 'Open, use and close connections over and over.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" fan-out' -l 'fan-out' -d 'Publish frames, of 8 bytes at least, to all connections.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" duration' -l 'duration' -d 'Seconds to measure, more than 0 and at most 3600.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" by-turns' -l 'by-turns' -d 'Measure in turns, as lines of stdin say. Needs --json.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" server-pid' -l 'server-pid' -d 'Process of the server, whose CPU time is told too. Needs --by-turns.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" workers' -l 'workers' -d 'Threads that make the load, 1 to 1024.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" connect-timeout' -l 'connect-timeout' -d 'Seconds within which every connection must be up, more than 0 and at most 3600.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" cpus' -l 'cpus' -d 'CPUs that these threads are bound to: unbound, automatic, every-cpu, cores, or a list as 0,2,8-11.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" json' -l 'json' -d 'Print one JSON object to stdout and everything else to stderr.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" tls' -l 'tls' -d 'Speak TLS. The server\'s certificate must be for --host, and signed by somebody whom the system trusts.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" tls-ca' -l 'tls-ca' -d 'Speak TLS, and trust the certificates in this PEM file instead.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" tls-insecure' -l 'tls-insecure' -d 'Speak TLS, and believe whoever answers.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stress" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" host' -l 'host' -d 'Address or name of the server.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" port' -l 'port' -d 'TCP port of the server, 1 to 65535.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" publish-port' -l 'publish-port' -d 'Port of the server\'s publishers, 1 to 65535. (default: no broadcast)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" connections' -l 'connections' -d 'Connections to hold, 1 to 10000000.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" active' -l 'active' -d 'Connections with a heartbeat, from 0. (default: 1 % of all)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" rate' -l 'rate' -d 'Heartbeats a second over all of these, 1 to 10000000. (default: 2 for each)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" reconnects' -l 'reconnects' -d 'Connections dropped at once, from 0; not among the active. (default: 5 % of all)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" return-window' -l 'return-window' -d 'Of these, how many each thread has on their way back at a time, 1 to 256.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" size' -l 'size' -d 'Bytes of a heartbeat and of the frame, 1 to 16384.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" rest' -l 'rest' -d 'Seconds at rest, more than 0 and at most 3600.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" beat' -l 'beat' -d 'Seconds of heartbeat alone, more than 0 and at most 3600.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" connect-timeout' -l 'connect-timeout' -d 'Seconds within which every connection must be up, more than 0 and at most 3600.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" source-ports' -l 'source-ports' -d 'Choose the port of each connect here, too, and not the kernel\'s way.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" no-source-ports' -l 'no-source-ports' -d 'Choose the port of each connect here, too, and not the kernel\'s way.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" server-pid' -l 'server-pid' -d 'Process of the server, whose CPU time is told too.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" json' -l 'json' -d 'Print a line of JSON as each phase begins and ends, and everything else to stderr.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp hold" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stats" pid' -l 'pid' -d 'The process to look at. (default: all that have a port)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stats" json' -l 'json' -d 'Print one JSON object; with --interval, one on each line.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stats" prometheus' -l 'prometheus' -d 'Print every field in Prometheus\' text format, version 0.0.4.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stats" interval' -l 'interval' -d 'Print a line of rates each time as many seconds have gone by, 0.1 to 3600.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stats" count' -l 'count' -d 'End after as many lines of --interval. (default: with Ctrl-C)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stats" fields' -l 'fields' -d 'List every field with its kind, unit and meaning, and how a total over workers is made.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stats" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp stats" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp top" pid' -l 'pid' -d 'The process to look at. (default: the first that has a port)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp top" interval' -l 'interval' -d 'Seconds between two frames, 0.1 to 10.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp top" count' -l 'count' -d 'End after as many frames. (default: with q)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp top" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp top" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" socket' -l 'socket' -d 'The server\'s admin socket: a path, or @NAME for an abstract name.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" peer' -l 'peer' -d 'Only connections of these peers: 192.0.2.1, 192.0.2.0/24, 192.0.2.1:4000, 2001:db8::/32, [2001:db8::1]:4000.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" id' -l 'id' -d 'Only this connection, by its id in the list.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" order' -l 'order' -d 'Which come first.' -rfka 'busy unsent slow idle old rtt retransmits'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" limit' -l 'limit' -d 'List as many, 1 to 1000.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" interval' -l 'interval' -d 'Seconds over which --order busy counts, 0 to 60; 0: since each opened.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" kill' -l 'kill' -d 'Reset those that --peer or --id means.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" json' -l 'json' -d 'Print one JSON object.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp connections" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" socket' -l 'socket' -d 'The server\'s admin socket: a path, or @NAME for an abstract name.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" peer' -l 'peer' -d 'Only connections of these peers: 192.0.2.1, 192.0.2.0/24, 192.0.2.1:4000, 2001:db8::/32, [2001:db8::1]:4000.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" id' -l 'id' -d 'Only this connection, by its id in the list.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" output' -l 'output' -d 'The file to write, for its owner alone (mode 0600); - is stdout.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" force' -l 'force' -d 'Write over a file that is there.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" connections' -l 'connections' -d 'Capture as many connections of each worker, 1 to 1048576. (default: all)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" seconds' -l 'seconds' -d 'End after as many seconds, 1 to 1000000. (default: with Ctrl-C)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" bytes' -l 'bytes' -d 'End after about as many bytes, from 1 on. (default: 1 GiB)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" rate' -l 'rate' -d 'Drop what is more than as many bytes a second and worker. (default: drop nothing)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" snap' -l 'snap' -d 'Keep as many bytes of what was received or sent at once, from 1 on. (default: all of it)' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp capture" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp doctor" connections' -l 'connections' -d 'Whether the machine can hold that many connections, 1 to 10000000.' -rfka ''
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp doctor" json' -l 'json' -d 'Print one JSON object.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp doctor" version' -l 'version' -d 'Show the version.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp doctor" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'iocp' -n '__iocp_should_offer_completions_for_flags_or_options "iocp help" version' -l 'version' -d 'Show the version.'
