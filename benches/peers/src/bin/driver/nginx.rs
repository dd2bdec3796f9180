//! The origin of the fetches: nginx, one process on the other core, with a configuration of its own.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::child::{self, OTHER, Server};

pub struct Nginx {
    server: Server,
    _directory: TempDir,
}

impl Nginx {
    /// Serves a file of each length, whose name is the length.
    pub fn start(lengths: &[usize]) -> io::Result<Nginx> {
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        let www = path.join("www");
        fs::create_dir(&www)?;
        for length in lengths {
            fs::write(www.join(length.to_string()), vec![b'x'; *length])?;
        }
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let config = path.join("nginx.conf");
        fs::write(
            &config,
            configuration(&path.display().to_string(), &address),
        )?;
        let mut command = child::pinned(OTHER, "nginx");
        command
            .arg("-e")
            .arg(path.join("error.log"))
            .arg("-p")
            .arg(path)
            .arg("-c")
            .arg(&config);
        let child = command.stderr(Stdio::null()).spawn()?;
        let mut nginx = Nginx {
            server: Server::of(child, address),
            _directory: directory,
        };
        nginx.wait()?;
        Ok(nginx)
    }

    pub fn url(&self, length: usize) -> String {
        format!("http://{}/{length}", self.server.address)
    }

    fn wait(&mut self) -> io::Result<()> {
        let end = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(&self.server.address).is_err() {
            if self.server.has_ended()? || Instant::now() > end {
                return Err(io::Error::other(
                    "nginx did not start; is it installed (nginx-light)?",
                ));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn configuration(path: &str, address: &str) -> String {
    // One process, so that it ends with its id.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    format!(
        "daemon off; master_process off; {user} pid {path}/pid; error_log {path}/error.log crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
           access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 300;\n\
           client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi;\n\
           uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;\n\
           server {{ listen {address}; root {path}/www; }}\n\
         }}\n"
    )
}
