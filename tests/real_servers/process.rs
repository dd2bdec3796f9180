//! A server as a process of its own: its directory, its ports, its start and its end.

use std::fs::{self, File, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to start, or to end; far more than any needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs until this is dropped.
pub struct Server {
    pub dir: Dir,
    /// Where it listens; the first is the usual one.
    pub addresses: Vec<SocketAddr>,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    end: Signal,
    child: Option<Child>,
}

impl Server {
    /// Starts one that listens on `addresses`. It has to stay in the foreground, and to end on SIGTERM.
    pub fn start(
        dir: Dir,
        addresses: Vec<SocketAddr>,
        command: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Server {
        let mut server = Server {
            dir,
            addresses,
            command: Box::new(command),
            end: Signal::TERM,
            child: None,
        };
        server.up();
        server
    }

    /// One that is to be ended by another signal.
    pub fn ends_on(mut self, signal: Signal) -> Server {
        self.end = signal;
        self
    }

    /// Starts it (again), and waits until it takes connections.
    pub fn up(&mut self) {
        let log = self.dir.path("log");
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let mut command = (self.command)();
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?} cannot be started ({error}); scripts/servers.sh installs what is missing")
        });
        let child = self.child.insert(child);
        let start = Instant::now();
        for address in &self.addresses {
            while TcpStream::connect(address).is_err() {
                let ended = child.try_wait().unwrap();
                let late = start.elapsed() > PATIENCE;
                if late || ended.is_some() {
                    let said = fs::read_to_string(&log).unwrap_or_default();
                    panic!("{command:?} does not listen on {address} ({ended:?}): {said}");
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Ends it.
    pub fn down(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // It may have ended by itself.
        let _ = kill_process(pid(&child), self.end);
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                let name = (self.command)();
                // A second panic would hide the first.
                assert!(std::thread::panicking(), "{name:?} did not end by itself");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(pid(self.child.as_ref().expect("it runs")), signal).unwrap();
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub fn url(&self, path: &str) -> String {
        self.url_at(0, path)
    }

    /// At one of its other ports.
    pub fn url_at(&self, port: usize, path: &str) -> String {
        format!("http://{}{path}", self.addresses[port])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// The host of all servers: one of the loopback network that belongs to this process alone, by its number, so that
/// others who look for a port at the same time do not find the same.
pub fn host() -> IpAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 64 | a, b, c))
}

/// So many addresses that nobody listens on.
pub fn addresses(count: usize) -> Vec<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    std::iter::repeat_with(|| SocketAddr::new(host(), NEXT.fetch_add(1, Ordering::Relaxed)))
        .filter(|address| TcpListener::bind(address).is_ok())
        .take(count)
        .collect()
}

/// A directory that servers may read, whoever they run as; removed when dropped.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("eyewall-servers-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        let dir = Dir(path);
        dir.allow("", 0o755);
        dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        match name {
            "" => self.0.clone(),
            name => self.0.join(name),
        }
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes a directory that all may read, or, if `writable`, that all may write to.
    pub fn make(&self, name: &str, writable: bool) {
        fs::create_dir(self.path(name)).unwrap();
        self.allow(name, if writable { 0o777 } else { 0o755 });
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.allow(name, 0o644);
        self.path(name)
    }

    fn allow(&self, name: &str, mode: u32) {
        let path: &Path = &self.path(name);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
