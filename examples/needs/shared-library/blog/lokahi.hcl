# Another project with the same library.

lokahi {
  project = "library-blog"
  include = ["../shared"]
}

defaults {
  every = "5m"

  notify {
    webhooks = [webhook.platform]
  }
}

check "blog" {
  use = [template.page]
  url = "https://blog.${local.company_domain}/"
}
