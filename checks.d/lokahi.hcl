# Everything in this folder and below it is one project: what is declared here is
# kept alive, what is taken out again is deleted. `lokahictl validate checks.d`
# says whether it can be read, `lokahictl apply checks.d` makes it so.

lokahi {
  project = "sample"
}

# What holds for every check of this folder and of shop/, unless something nearer
# says else. Labels and headers are merged key by key; `null` removes one.
defaults {
  every  = "10s"
  labels = { env = var.env }

  notify {
    webhooks = [webhook.sample_hook]
  }
}
