package verification

import (
	"cmp"
	"slices"

	"helfy/app/projection"
	"helfy/domain"
)

// WaivedFault is a record that could not be judged, and the first waiver that
// says that the audit log may do without it.
type WaivedFault struct {
	Fault
	Waiver domain.Waived
}

// waivedOf returns the faults that the trail's genuine waivers are of, and the
// others.
func waivedOf(faults []Fault, waivers []domain.Waived, partitions []projection.Partition) (waived []WaivedFault, others []Fault) {
	waivers = slices.SortedStableFunc(slices.Values(waivers), func(a, b domain.Waived) int { return cmp.Compare(a.CommitTs, b.CommitTs) })
	ids := map[string]string{}
	for _, p := range partitions {
		ids[p.Topic] = p.TopicID
	}
	for _, fault := range faults {
		i := slices.IndexFunc(waivers, func(w domain.Waived) bool {
			return fault.Digest != "" && w.Digest == fault.Digest && w.Topic == fault.Topic && w.TopicID == ids[fault.Topic] &&
				w.Partition == fault.Partition && w.Offset == fault.Offset && slices.Contains(w.Projections, projection.AuditName)
		})
		if i < 0 {
			others = append(others, fault)
			continue
		}
		waived = append(waived, WaivedFault{fault, waivers[i]})
	}
	return waived, others
}
