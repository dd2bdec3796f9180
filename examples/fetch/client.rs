//! The client that all transfers share.

use std::net::IpAddr;
use std::path::Path;

use eyewall::http::{Client, ClientBuilder, HeaderValue, NoProxy, Proxy};

use crate::args::{Args, ConnectArgs};
use crate::code::{self, Failure};

pub(crate) fn build(args: &Args) -> Result<Client, Failure> {
    let request = &args.request;
    let mut client = Client::builder()
        .timeout(request.max_time)
        .connect_timeout(args.connect.timeout)
        // There are as many transfers as were asked for, and one connection to keep for each.
        .max_clients(0)
        .pool_max_idle(args.at_once)
        .pool_max_idle_per_host(args.at_once)
        .max_body_size(args.output.max_size.unwrap_or(u64::MAX))
        .follow_redirects(request.follow)
        .max_redirects(request.max_redirects)
        .allow_downgrade(true)
        .allow_nonstandard_methods(true)
        .decompress(request.compressed);
    if let Some(agent) = &request.agent {
        let agent = match &**agent {
            "" => None,
            agent => Some(HeaderValue::from_str(agent).map_err(|_| {
                let message = format!("{agent:?} cannot be sent as the name of a user agent");
                Failure::new(code::BAD_REQUEST, message)
            })?),
        };
        client = client.user_agent(agent);
    }
    client = sockets(client, &args.connect)?;
    client = proxies(client, &args.connect)?;
    client = tls::settings(client, &args.connect)?;
    Ok(client.build())
}

fn sockets(mut client: ClientBuilder, args: &ConnectArgs) -> Result<ClientBuilder, Failure> {
    client = client.ipv4(!args.ipv6_only).ipv6(!args.ipv4_only);
    for (host, port, addresses) in &args.resolve {
        client = client.resolve(host, *port, addresses.iter().copied());
    }
    if let Some(path) = &args.unix_socket {
        client = client.unix_socket(path);
    }
    let Some(interface) = &args.interface else {
        return Ok(client);
    };
    if let Ok(address) = interface.parse::<IpAddr>() {
        return Ok(client.local_address(address));
    }
    if interface.contains('/') || !Path::new("/sys/class/net").join(interface).exists() {
        let message = format!("there is no interface {interface:?}");
        return Err(Failure::new(code::NO_SUCH_INTERFACE, message));
    }
    Ok(client.interface(interface))
}

/// The client knows what the environment says about proxies.
fn proxies(mut client: ClientBuilder, args: &ConnectArgs) -> Result<ClientBuilder, Failure> {
    match args.proxy.as_deref() {
        Some("") => return Ok(client.no_proxy()),
        // As with curl, whatever is wrong with one that nobody goes to.
        Some(_) if args.no_proxy.as_deref() == Some("*") => return Ok(client.no_proxy()),
        Some(url) => return Ok(client.proxy(proxy(&with_port(url), args)?)),
        None => {}
    }
    if let Some((name, password)) = &args.proxy_user {
        client = client.environment_proxy_auth(name, password);
    }
    if let Some(hosts) = &args.no_proxy {
        client = client.environment_no_proxy(&**hosts);
    }
    Ok(client)
}

/// The URL of a proxy with curl's port for one that says none.
fn with_port(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let length = url[start..].find(['/', '?', '#']);
    let (rest, path) = url.split_at(length.map_or(url.len(), |length| start + length));
    let host = &rest[rest.rfind(['@', ']']).unwrap_or(start)..];
    match host.contains(':') {
        true => url.into(),
        false => format!("{rest}:1080{path}"),
    }
}

fn proxy(url: &str, args: &ConnectArgs) -> Result<Proxy, Failure> {
    let proxy = Proxy::all(url).map_err(|error| {
        let mut failure = Failure::from(error);
        failure.code = match url.split_once("://") {
            Some(("https" | "socks4" | "socks4a" | "socks5" | "socks5h", _)) => code::NOT_BUILT_IN,
            Some((scheme, _)) if scheme != "http" => code::CONNECT_FAILED,
            _ => code::PROXY_NOT_RESOLVED,
        };
        failure
    })?;
    let around = args.no_proxy.as_deref().map(NoProxy::new);
    let proxy = proxy.no_proxy(around.unwrap_or_else(NoProxy::of_environment));
    Ok(match &args.proxy_user {
        Some((name, password)) => proxy.basic_auth(name, password),
        None => proxy,
    })
}

#[cfg(feature = "__tls")]
mod tls {
    use eyewall::http::{ClientBuilder, Pem};

    use crate::args::ConnectArgs;
    use crate::code::Failure;

    pub(super) fn settings(
        mut client: ClientBuilder,
        args: &ConnectArgs,
    ) -> Result<ClientBuilder, Failure> {
        if args.insecure {
            client = client.danger_accept_invalid_certs(true);
        }
        if let Some(file) = &args.ca_file {
            client = client.ca_certificates(Pem::file(file));
        }
        if let Some(file) = &args.certificate {
            let key = args.key.as_ref().unwrap_or(file);
            client = client.client_certificate(Pem::file(file), Pem::file(key));
        }
        Ok(client)
    }
}

#[cfg(not(feature = "__tls"))]
mod tls {
    use eyewall::http::ClientBuilder;

    use crate::args::ConnectArgs;
    use crate::code::{self, Failure};

    pub(super) fn settings(
        client: ClientBuilder,
        args: &ConnectArgs,
    ) -> Result<ClientBuilder, Failure> {
        let wanted = args.insecure
            || args.ca_file.is_some()
            || args.certificate.is_some()
            || args.key.is_some();
        match wanted {
            true => Err(Failure::new(
                code::NOT_BUILT_IN,
                "-k, --cacert, --cert and --key need the feature \"tls\" of the crate",
            )),
            false => Ok(client),
        }
    }
}
