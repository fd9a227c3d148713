iommu-src :=
