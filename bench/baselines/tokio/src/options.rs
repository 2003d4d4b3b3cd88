use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::exit;

const EXIT_USAGE: i32 = 64;

/// Reads `--host` and `--port`, as `--name VALUE` or `--name=VALUE`. Ends the process with one line on bad usage.
pub fn parse() -> SocketAddr {
    let mut host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut port = 0;
    let mut arguments = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if name != "--host" && name != "--port" {
            usage("unknown argument", &argument);
        }
        let Some(value) = value.or_else(|| arguments.next()) else { usage("missing value for", name) };
        if name == "--host" {
            host = value.parse().unwrap_or_else(|_| usage("not a numeric address", &value));
        } else {
            port = value.parse().unwrap_or_else(|_| usage("not a port", &value));
        }
    }
    SocketAddr::new(host, port)
}

fn usage(problem: &str, argument: &str) -> ! {
    eprintln!("echo-tokio: {problem} '{argument}' (usage: --host HOST --port PORT)");
    exit(EXIT_USAGE);
}
