//! Ten thousand idle connections: what each costs in memory, and that they wake nobody. Memory and descriptors are those
//! of the process, so that the client and its server have one each: this program once more.
#![cfg(feature = "http")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use eyewall::http::Client;
use eyewall::net::{TcpListener, TcpStream};
use eyewall::reactor::metrics;
use futures_util::StreamExt;

const NAME: &str = "p11_ten_thousand_idle_connections_cost_little_and_wake_nobody";
const ROLE: &str = "EYEWALL_TEST_IDLE";
const CONNECTIONS: usize = 10_000;
/// For a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(150);
/// What is allocated once, by the first of them, does not count.
const WARM: usize = 1_000;

/// This program once more, as `role`.
fn again(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role);
    command
}

/// Answers every request on every connection, until the process that started it ends.
fn serve() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    println!("\nat {}", listener.local_addr().unwrap());
    eyewall::block_on(async {
        let mut listener = TcpListener::from_std(listener).unwrap();
        let mut incoming = listener.incoming();
        eyewall::spawn_blocking(|| {
            let _ = std::io::stdin().read_line(&mut String::new());
            std::process::exit(0);
        })
        .detach();
        while let Some(stream) = incoming.next().await {
            eyewall::spawn(answer(stream.unwrap())).detach();
        }
    })
    .unwrap();
}

async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while let Ok(Some(chunk)) = stream.recv_chunk().await {
        head.extend_from_slice(&chunk);
        drop(chunk);
        if head.ends_with(b"\r\n\r\n") {
            head = Vec::new();
            let sent = stream.send_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            if sent.await.0.is_err() {
                return;
            }
        }
    }
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.unwrap().trim().strip_suffix("kB").unwrap();
    kib.trim().parse::<u64>().unwrap() << 10
}

async fn fetch(address: SocketAddr) {
    let client = Client::builder()
        .timeout(Duration::ZERO)
        .max_clients(0)
        .pool_max_idle(CONNECTIONS)
        .pool_max_idle_per_host(CONNECTIONS)
        .pool_idle_timeout(Duration::ZERO)
        // Each name has its own connection, and all lead to the one server.
        .resolver(move |_: String, _| async move { Ok(vec![address]) })
        .build();
    let get = async |number: usize| {
        let url = format!("http://n{number}.test/");
        let mut response = client.get(url).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
        response.is_reused()
    };
    for number in 0..WARM {
        assert!(!get(number).await);
    }
    let before = resident();
    for number in WARM..CONNECTIONS {
        assert!(!get(number).await);
    }
    let each = (resident() - before) / (CONNECTIONS - WARM) as u64;
    println!("{each} bytes each, with what is known of its host");
    assert_eq!(client.idle_connections(), CONNECTIONS);
    assert!(each <= 1536, "an idle connection costs {each} bytes");
    let idle = metrics().unwrap();
    assert_eq!(idle.pool_available, idle.pool_buffers, "no buffer is held");

    // Nothing happens, and nobody wakes but for this one timer.
    eyewall::time::sleep(Duration::from_millis(20)).await;
    let before = metrics().unwrap();
    eyewall::time::sleep(Duration::from_millis(500)).await;
    let after = metrics().unwrap();
    let enters = after.enters - before.enters;
    assert!(enters <= 3, "{enters} enters in half a second of nothing");
    assert_eq!(after.cqes, before.cqes);

    // They are all alive.
    for number in (0..CONNECTIONS).step_by(97) {
        assert!(get(number).await, "{number} was not kept");
    }
}

#[test]
fn p11_ten_thousand_idle_connections_cost_little_and_wake_nobody() {
    match std::env::var(ROLE).as_deref() {
        Ok("server") => return serve(),
        Ok(address) => {
            let address = address.parse().unwrap();
            let bounded = eyewall::time::timeout(LIMIT, fetch(address));
            return eyewall::block_on(bounded).unwrap().expect("it takes long");
        }
        Err(_) => {}
    }
    rlimit::increase_nofile_limit(CONNECTIONS as u64 + 64).unwrap();
    let mut server = again("server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("at ").map(str::to_owned));
    let client = again(&address.unwrap()).output().unwrap();
    drop(server.stdin.take());
    server.wait().unwrap();
    let text = String::from_utf8_lossy(&client.stdout);
    let errors = String::from_utf8_lossy(&client.stderr);
    print!("{text}");
    assert!(
        client.status.success() && text.contains("1 passed"),
        "{text}{errors}"
    );
}
