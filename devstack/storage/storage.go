// Package storage is the storage engine beneath TiDB: unistore, which TiDB
// runs its own tests on, with a mend.
package storage

import (
	"fmt"
	"reflect"

	"github.com/pingcap/tidb/pkg/kv"
	"github.com/pingcap/tidb/pkg/store/mockstore"
	"github.com/pingcap/tidb/pkg/store/mockstore/unistore"
	"github.com/pingcap/tidb/pkg/store/mockstore/unistore/tikv/mvcc"
	"github.com/tikv/client-go/v2/testutils"
	"github.com/tikv/client-go/v2/tikv"
)

// Open opens the storage that keeps its data in dir. TiDB uses it by the
// client that wrap returns.
func Open(dir string, wrap func(tikv.Client) tikv.Client) (kv.Storage, error) {
	var data *mvcc.DBBundle
	var failed error
	store, err := mockstore.NewMockStore(
		mockstore.WithPath(dir),
		mockstore.WithStoreType(mockstore.EmbedUnistore),
		mockstore.WithClusterInspector(func(cluster testutils.Cluster) {
			mockstore.BootstrapWithSingleStore(cluster)
			data, failed = dataOf(cluster)
		}),
		mockstore.WithClientHijacker(func(inner tikv.Client) tikv.Client {
			return wrap(&client{Client: inner, data: data})
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("open TiDB's storage: %w", err)
	}
	if failed != nil {
		store.Close()
		return nil, failed
	}
	return store, nil
}

// dataOf returns what unistore stores and the locks on it. Its region manager
// has them, in a field that is not exported.
func dataOf(cluster testutils.Cluster) (*mvcc.DBBundle, error) {
	regions := reflect.ValueOf(cluster.(*unistore.Cluster).MockRegionManager).Elem()
	field := regions.FieldByName("bundle")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*mvcc.DBBundle]() || field.IsNil() {
		return nil, fmt.Errorf("%s of TiDB's storage has no bundle", regions.Type())
	}
	return (*mvcc.DBBundle)(field.UnsafePointer()), nil
}
