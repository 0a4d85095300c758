# Hosts within, whose certificates an authority of our own vouches for.

lokahi {
  project = "own-ca"
}

webhook "oncall" {
  url    = "https://hooks.example.com/oncall"
  format = "json"
}

defaults {
  notify {
    webhooks = [webhook.oncall]
  }

  # This authority and no other: a certificate of a public one is no good here. Put your own into
  # the file.
  tls {
    ca = file("ca.pem")
  }
}

check "wiki" {
  url = "https://wiki.inner.example.com/"
}

# It shows a certificate of its own to a site that asks for one. The key is known to the worker
# alone.
check "ledger" {
  url = "https://ledger.inner.example.com/healthz"

  tls {
    cert = file("client.pem")
    key  = secret("ledger-key")
  }
}

# One server of several, by its address; name and certificate are still the site's.
check "wiki_first" {
  url        = "https://wiki.inner.example.com/"
  connect_to = "10.20.0.11"
}
