//! The origin of the fetches: nginx, one process on the other core, with a configuration and a certificate of its own.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use peers::hold::AT_A_TIME;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::child::{self, OTHER, Server};
use crate::idle::MANY;

const HOST: &str = "127.0.0.1";
/// It listens on so many addresses, from that on: see [`peers::hold`].
const HOSTS: usize = MANY / AT_A_TIME;

pub struct Nginx {
    server: Server,
    secure_port: u16,
    directory: TempDir,
}

impl Nginx {
    /// Serves a file of each length, whose name is the length, over TLS as well.
    pub fn start(lengths: &[usize]) -> io::Result<Nginx> {
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        let www = path.join("www");
        fs::create_dir(&www)?;
        for length in lengths {
            fs::write(www.join(length.to_string()), vec![b'x'; *length])?;
        }
        certify(path).map_err(io::Error::other)?;
        // Both at once, so that they differ.
        let listeners = [TcpListener::bind((HOST, 0))?, TcpListener::bind((HOST, 0))?];
        let [port, secure_port] = [
            listeners[0].local_addr()?.port(),
            listeners[1].local_addr()?.port(),
        ];
        drop(listeners);
        let config = path.join("nginx.conf");
        fs::write(
            &config,
            configuration(&path.display().to_string(), port, secure_port),
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
            server: Server::of(child, format!("{HOST}:{port}")),
            secure_port,
            directory,
        };
        nginx.wait()?;
        Ok(nginx)
    }

    pub fn url(&self, length: usize) -> String {
        format!("http://{}/{length}", self.server.address)
    }

    pub fn secure_url(&self, length: usize) -> String {
        format!("https://{HOST}:{}/{length}", self.secure_port)
    }

    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The certificate that has to be trusted for that.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
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

fn hosts() -> impl Iterator<Item = String> {
    (1..=HOSTS).map(|host| format!("127.0.0.{host}"))
}

/// Makes a certificate, and who vouches for it.
fn certify(directory: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "the bench");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate =
        CertificateParams::new(hosts().collect::<Vec<_>>())?.signed_by(&key, &issuer)?;
    fs::write(directory.join("authority.pem"), issuer.pem())?;
    fs::write(directory.join("certificate.pem"), certificate.pem())?;
    fs::write(directory.join("key.pem"), key.serialize_pem())?;
    Ok(())
}

fn configuration(path: &str, port: u16, secure_port: u16) -> String {
    let listen = |port, how| {
        hosts()
            .map(|host| format!("listen {host}:{port}{how}; "))
            .collect::<String>()
    };
    let (plain, secure) = (listen(port, ""), listen(secure_port, " ssl"));
    // One process, so that it ends with its id.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    format!(
        "daemon off; master_process off; {user} pid {path}/pid; error_log {path}/error.log crit;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n\
           access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 300;\n\
           client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi;\n\
           uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi; root {path}/www;\n\
           ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n\
           ssl_certificate {path}/certificate.pem; ssl_certificate_key {path}/key.pem;\n\
           server {{ {plain} }}\n\
           server {{ {secure} }}\n\
         }}\n"
    )
}
